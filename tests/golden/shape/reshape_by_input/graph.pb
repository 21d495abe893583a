
.
xPlaceholder*
dtype0*
shape:
.
sPlaceholder*
dtype0*
shape:
)
yReshapexs*
Tshape0*
T0"ª