
.
xPlaceholder*
dtype0*
shape:
5
y/beginConst*
dtype0	*
valueB	R
4
y/sizeConst*
dtype0	*
valueB	R
4
ySlicexy/beginy/size*
Index0	*
T0"ª