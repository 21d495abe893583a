
:
xPlaceholder*
dtype0*
shape:
8
ySqueezex*
T0*
squeeze_dims

þÿÿÿÿÿÿÿÿ"ª